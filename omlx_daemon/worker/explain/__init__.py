"""Why a prompt was not reused as far as it could have been. Knows neither mlx nor a tier."""
