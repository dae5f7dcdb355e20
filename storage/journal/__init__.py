"""The journal: frames in segments, one write and one sync for each group of appends, fenced by epochs."""
