"""The file store: a journal of synced frames, flushed to Parquet parts that a numbered manifest lists."""
