"""A question and a folder of documents in, a reviewed brief out."""
