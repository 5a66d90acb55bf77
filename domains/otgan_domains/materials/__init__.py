"""Materials: new compositions that could exist."""
