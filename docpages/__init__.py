"""Write the generated pages of docs/, and keep the finished grids that they show."""
