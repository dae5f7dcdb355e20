"""Routes, one noun to a file. They parse, ask the runtime's client, and answer in the wire's shapes."""
