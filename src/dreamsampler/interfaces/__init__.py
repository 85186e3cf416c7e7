"""The doors of the house: where people and programs come in."""
