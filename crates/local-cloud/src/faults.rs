//! Which call fails, and on which side of its effect.
