"""What writes the generated pages of docs/, and the results of finished grids that they show."""
