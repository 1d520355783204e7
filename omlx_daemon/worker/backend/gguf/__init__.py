"""GGUF files become models in MLX layout: header, tensors, config and tokenizer, each checked before use."""
