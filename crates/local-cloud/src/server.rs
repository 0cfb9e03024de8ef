//! The HTTP shell: one loopback port for every service.
