"""What there is of memory, what a model would take of it, and how short it is. Reads; decides and frees nothing."""
