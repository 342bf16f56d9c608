"""What Register knows of the file's trainees, before anything is sent. Pure."""
