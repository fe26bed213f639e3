"""What exists: the tables, the catalog file, and the definition that crosses to the GPU half.

Never imports torch.
"""
