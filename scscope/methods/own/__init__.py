"""Methods of the user's own: a function in a file, a command in any language, or files alone."""
