//! sip

// Header values.
pub mod aor_text;
pub mod credentials;
pub mod cseq;
pub mod date;
pub mod flaw;
pub mod host;
pub mod list;
pub mod name_addr;
pub mod number;
pub mod octet;
pub mod option_tag;
pub mod params;
pub mod reason;
pub mod transport;
pub mod uri;
pub mod uri_compare;
pub mod via;
