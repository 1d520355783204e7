"""Completion scripts and man pages, made from the commands themselves.

python -m scripts.generate            writes completions/ and man/
python -m scripts.generate --check    changes nothing; exit code 1 where a file is out of date
"""
