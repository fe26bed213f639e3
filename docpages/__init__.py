"""Write the generated pages of docs/, and store the results of finished grids that they show."""
