"""MemFactory Lab's headless library: agents' memories, assembled from parts, trained with GRPO, explained."""

__version__ = "0.2.0"
