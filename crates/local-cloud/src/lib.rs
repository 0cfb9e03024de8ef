//! The parts of AWS that a deployment needs, on loopback, speaking the AWS wire protocols.
