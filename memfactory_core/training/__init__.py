"""Make it better: the trainer seam over TRL, advantages and rows, the linear reranker's learner.

Everything here may load torch; nothing here knows a database or a page. Who calls it is `runs/`."""
