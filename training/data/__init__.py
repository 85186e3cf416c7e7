"""What is drawn and what it is called: icons, 3D objects, captions, pictures of them."""
