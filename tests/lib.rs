//! The whole of Matricule, run as its users run it: see `integration/`.
