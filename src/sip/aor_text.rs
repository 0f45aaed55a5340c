//! The canonical text of an AOR: what the location table is keyed by.
