"""What an answer has to be, written as a grammar. Nothing here decodes."""
