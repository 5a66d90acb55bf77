"""What a person looks at, and the files they take away."""
