"""Take in results of runs that were made elsewhere, and keep their rows outside the catalog."""
