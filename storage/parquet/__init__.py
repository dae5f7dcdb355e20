"""The Parquet store: journal, memory and sorted parts that a numbered manifest lists, behind the storage port."""
