//! What each byte may be part of, by the grammar of RFC 3261 §25, and the steps over white space and tokens that all values share.
