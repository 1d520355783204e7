"""Twenty prompts of different kinds and lengths."""

PROMPTS = (
    "Why is the sky blue?",
    "Write two sentences about the ocean.",
    "List three prime numbers.",
    "What is the capital of France?",
    "Say hello in Spanish.",
    "Explain recursion to a child.",
    "2 + 2 =",
    "Translate 'good morning' to German.",
    "Name a fruit that is yellow.",
    "Give me a haiku about winter.",
    "Write a Python function that adds two numbers.",
    "What do bees make?",
    "Who wrote Hamlet?",
    "How many days are in a leap year?",
    "Describe a cat in five words.",
    "What is the boiling point of water? Answer with a number and a unit.",
    "Repeat after me: omlx omlx omlx",
    "Émile a mangé une pomme. Que mange Émile ?",
    "Write a JSON object with the keys name and age.",
    "Summarise: The quick brown fox jumps over the lazy dog. The dog sleeps on. " * 4,
)
