//! A display name, a URI and header parameters: From, To, Contact, Route and their kin (RFC 3261 §20.10).
