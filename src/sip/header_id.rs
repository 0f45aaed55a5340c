//! The names of headers, each written once: the list at the end of this file makes the enum, the long and compact names and the reason phrases.
//!
//! A name is found by its length and its first 16 bytes in lower case: one multiplication, one look into a table without collisions,
//! one comparison.

macro_rules! headers {
    ($($id:ident $long:literal $(/ $compact:literal)?;)*) => {
        /// Which header a line is. A name that is not in the list is `Other`, and its line is kept like any other.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum HeaderId {
            $($id,)*
            Other,
        }

        impl HeaderId {
            /// All of them, `Other` at the end.
            pub const ALL: &'static [HeaderId] = &[$(HeaderId::$id,)* HeaderId::Other];

            /// The long name as the RFCs write it; empty for `Other`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(HeaderId::$id => $long,)*
                    HeaderId::Other => "",
                }
            }

            /// The compact name (RFC 3261 §7.3.3), one lower-case letter.
            pub const fn compact_name(self) -> Option<&'static str> {
                match self {
                    $($(HeaderId::$id => Some($compact),)?)*
                    _ => None,
                }
            }

            /// Reason phrase of a 400 for a value that does not fit its grammar.
            pub const fn bad_reason(self) -> &'static str {
                match self {
                    $(HeaderId::$id => concat!("Bad ", $long),)*
                    HeaderId::Other => "Bad Header",
                }
            }

            /// Reason phrase of a 400 for a header that must be there.
            pub const fn missing_reason(self) -> &'static str {
                match self {
                    $(HeaderId::$id => concat!("Missing ", $long),)*
                    HeaderId::Other => "Missing Header",
                }
            }

            /// Reason phrase of a 400 for a header that stands more often than it may.
            pub const fn multiple_reason(self) -> &'static str {
                match self {
                    $(HeaderId::$id => concat!("Multiple ", $long),)*
                    HeaderId::Other => "Multiple Header",
                }
            }
        }

        const NAMES: &[(&str, HeaderId)] = &[
            $(($long, HeaderId::$id), $(($compact, HeaderId::$id),)?)*
        ];
    };
}

impl HeaderId {
    pub const COUNT: usize = HeaderId::ALL.len();

    /// The id of a name in any case, long or compact. White space around it is not part of a name.
    pub fn from_name(name: &[u8]) -> HeaderId {
        HeaderId::find(name, 0, name.len())
    }

    /// The id of the name `bytes[start..start + len]`. What stands behind it is read, and does not count.
    #[inline(always)]
    pub(super) fn find(bytes: &[u8], start: usize, len: usize) -> HeaderId {
        let Some(window) = bytes.get(start..start + 16).and_then(|rest| rest.first_chunk()) else {
            return find_near_end(&bytes[start..start + len]);
        };
        let mask = MASKS[16 - len.min(16)..].first_chunk().expect("16 of at most 32 bytes");
        let (first, second) = words_of(window);
        let (first_mask, second_mask) = words_of(mask);
        let (first, second) = ((first | LOWER) & first_mask, (second | LOWER) & second_mask);
        let key = &TABLE.keys[slot_of(first, second, len, TABLE.multiplier)];
        if (first ^ key.first) | (second ^ key.second) | (len as u64 ^ u64::from(key.len)) != 0 {
            return HeaderId::Other;
        }
        // Names of up to 16 bytes are their two words; of longer ones the rest is compared too.
        if len > 16 && !is_rest_of(&bytes[start..start + len], key.id) {
            return HeaderId::Other;
        }
        key.id
    }
}

/// The id of a name that has fewer than 16 bytes from its start to the end of the message.
#[cold]
fn find_near_end(name: &[u8]) -> HeaderId {
    let mut window = [0; 32];
    let Some(copy) = window.get_mut(..name.len()) else { return HeaderId::Other };
    copy.copy_from_slice(name);
    HeaderId::find(&window, 0, name.len())
}

/// Compares a name from its 17th byte on: the last 8, and the 8 before them; both may overlap what was compared.
#[inline]
fn is_rest_of(name: &[u8], id: HeaderId) -> bool {
    let known = id.name().as_bytes();
    let (Some(name), Some(known)) = (name.last_chunk(), known.last_chunk()) else { return false };
    let ((third, fourth), (known_third, known_fourth)) = (words_of(name), words_of(known));
    (third | LOWER, fourth | LOWER) == (known_third | LOWER, known_fourth | LOWER)
}

/// Sets the bit that makes letters lower case. Of the bytes that a token may have it changes letters alone into letters or `-`; a CR, which
/// would become `-`, is found by the scanner.
const LOWER: u64 = 0x2020_2020_2020_2020;

/// 16 bytes from `16 - n` on keep the first `n` bytes of a window.
static MASKS: [u8; 32] = {
    let mut masks = [0; 32];
    masks.split_at_mut(16).0.copy_from_slice(&[0xff; 16]);
    masks
};

/// Slots of the table: many more than names, so that a multiplier without collisions is found in some hundred tries.
const SLOTS: usize = 2048;

/// What two windows of 16 bytes can cover.
const NAME_BYTES_MAX: usize = 32;

#[derive(Clone, Copy)]
#[repr(align(32))]
struct Key {
    first: u64,
    second: u64,
    /// 0 in an empty slot: no name is that short.
    len: u8,
    id: HeaderId,
}

/// One slot for each name, so that a name costs one look.
struct Table {
    multiplier: u64,
    keys: [Key; SLOTS],
}

#[inline(always)]
fn words_of(window: &[u8; 16]) -> (u64, u64) {
    let window = u128::from_le_bytes(*window);
    (window as u64, (window >> 64) as u64)
}

#[inline(always)]
const fn slot_of(first: u64, second: u64, len: usize, multiplier: u64) -> usize {
    let mixed = first.wrapping_add(second.rotate_left(7)).wrapping_add(len as u64);
    (mixed.wrapping_mul(multiplier) >> (64 - SLOTS.trailing_zeros())) as usize
}

/// The first up to 8 bytes in lower case, little-endian, zeros behind.
const fn word_of(name: &[u8]) -> u64 {
    let mut word = 0;
    let mut index = 0;
    while index < name.len() && index < 8 {
        word |= ((name[index] | 0x20) as u64) << (8 * index);
        index += 1;
    }
    word
}

const KEYS: [Key; NAMES.len()] = {
    let mut keys = [EMPTY; NAMES.len()];
    let mut index = 0;
    while index < keys.len() {
        let name = NAMES[index].0.as_bytes();
        assert!(name.len() <= NAME_BYTES_MAX);
        let second = if name.len() > 8 { word_of(name.split_at(8).1) } else { 0 };
        keys[index] = Key { first: word_of(name), second, len: name.len() as u8, id: NAMES[index].1 };
        index += 1;
    }
    keys
};

const EMPTY: Key = Key { first: 0, second: 0, len: 0, id: HeaderId::Other };

static TABLE: Table = {
    let multiplier = find_multiplier();
    let mut keys = [EMPTY; SLOTS];
    let mut index = 0;
    while index < KEYS.len() {
        let key = KEYS[index];
        keys[slot_of(key.first, key.second, key.len as usize, multiplier)] = key;
        index += 1;
    }
    Table { multiplier, keys }
};

/// A multiplier that gives each name a slot of its own.
const fn find_multiplier() -> u64 {
    let mut multiplier: u64 = 0x9e37_79b9_7f4a_7c15;
    loop {
        let mut used = [false; SLOTS];
        let mut index = 0;
        while index < KEYS.len() {
            let key = &KEYS[index];
            let slot = slot_of(key.first, key.second, key.len as usize, multiplier);
            if used[slot] {
                break;
            }
            used[slot] = true;
            index += 1;
        }
        if index == KEYS.len() {
            return multiplier;
        }
        multiplier = multiplier.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(2);
    }
}

headers! {
    // Those that are looked for in every message; `Index` counts on their places.
    Via "Via" / "v";
    From "From" / "f";
    To "To" / "t";
    CallId "Call-ID" / "i";
    Cseq "CSeq";
    MaxForwards "Max-Forwards";
    ContentLength "Content-Length" / "l";
    Contact "Contact" / "m";
    Route "Route";
    RecordRoute "Record-Route";
    Expires "Expires";
    ContentType "Content-Type" / "c";
    // The others, by name.
    Accept "Accept";
    AcceptContact "Accept-Contact" / "a";
    AcceptEncoding "Accept-Encoding";
    AcceptLanguage "Accept-Language";
    AcceptResourcePriority "Accept-Resource-Priority";
    AlertInfo "Alert-Info";
    Allow "Allow";
    AllowEvents "Allow-Events" / "u";
    AnswerMode "Answer-Mode";
    AuthenticationInfo "Authentication-Info";
    Authorization "Authorization";
    CallInfo "Call-Info";
    ContentDisposition "Content-Disposition";
    ContentEncoding "Content-Encoding" / "e";
    ContentId "Content-ID";
    ContentLanguage "Content-Language";
    Date "Date";
    Diversion "Diversion";
    ErrorInfo "Error-Info";
    Event "Event" / "o";
    FeatureCaps "Feature-Caps";
    FlowTimer "Flow-Timer";
    Geolocation "Geolocation";
    GeolocationError "Geolocation-Error";
    GeolocationRouting "Geolocation-Routing";
    HistoryInfo "History-Info";
    Identity "Identity" / "y";
    InReplyTo "In-Reply-To";
    InfoPackage "Info-Package";
    Join "Join";
    MaxBreadth "Max-Breadth";
    MimeVersion "MIME-Version";
    MinExpires "Min-Expires";
    MinSe "Min-SE";
    Organization "Organization";
    PAccessNetworkInfo "P-Access-Network-Info";
    PAnswerState "P-Answer-State";
    PAssertedIdentity "P-Asserted-Identity";
    PAssertedService "P-Asserted-Service";
    PAssociatedUri "P-Associated-URI";
    PCalledPartyId "P-Called-Party-ID";
    PChargingFunctionAddresses "P-Charging-Function-Addresses";
    PChargingVector "P-Charging-Vector";
    PEarlyMedia "P-Early-Media";
    PMediaAuthorization "P-Media-Authorization";
    PPreferredIdentity "P-Preferred-Identity";
    PPreferredService "P-Preferred-Service";
    PProfileKey "P-Profile-Key";
    PServedUser "P-Served-User";
    PUserDatabase "P-User-Database";
    PVisitedNetworkId "P-Visited-Network-ID";
    Path "Path";
    PermissionMissing "Permission-Missing";
    PolicyContact "Policy-Contact";
    Priority "Priority";
    PrivAnswerMode "Priv-Answer-Mode";
    Privacy "Privacy";
    ProxyAuthenticate "Proxy-Authenticate";
    ProxyAuthenticationInfo "Proxy-Authentication-Info";
    ProxyAuthorization "Proxy-Authorization";
    ProxyRequire "Proxy-Require";
    Rack "RAck";
    Reason "Reason";
    RecvInfo "Recv-Info";
    ReferSub "Refer-Sub";
    ReferTo "Refer-To" / "r";
    ReferredBy "Referred-By" / "b";
    RejectContact "Reject-Contact" / "j";
    RemotePartyId "Remote-Party-ID";
    Replaces "Replaces";
    ReplyTo "Reply-To";
    RequestDisposition "Request-Disposition" / "d";
    Require "Require";
    ResourcePriority "Resource-Priority";
    ResourceShare "Resource-Share";
    ResponseKey "Response-Key";
    RestorationInfo "Restoration-Info";
    RetryAfter "Retry-After";
    Rseq "RSeq";
    SecurityClient "Security-Client";
    SecurityServer "Security-Server";
    SecurityVerify "Security-Verify";
    Server "Server";
    ServiceRoute "Service-Route";
    SessionExpires "Session-Expires" / "x";
    SessionId "Session-ID";
    SipEtag "SIP-ETag";
    SipIfMatch "SIP-If-Match";
    Subject "Subject" / "s";
    SubscriptionState "Subscription-State";
    Supported "Supported" / "k";
    SuppressIfMatch "Suppress-If-Match";
    TargetDialog "Target-Dialog";
    Timestamp "Timestamp";
    TriggerConsent "Trigger-Consent";
    Unsupported "Unsupported";
    UserAgent "User-Agent";
    UserToUser "User-to-User";
    Warning "Warning";
    WwwAuthenticate "WWW-Authenticate";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for &(name, id) in NAMES {
            for spelling in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
                assert_eq!(HeaderId::from_name(spelling.as_bytes()), id, "{spelling}");
                let around = format!("x{spelling}: value");
                assert_eq!(HeaderId::find(around.as_bytes(), 1, spelling.len()), id, "{spelling}");
            }
        }
    }

    #[test]
    fn a_name_that_differs_in_one_byte_is_another() {
        for &(name, id) in NAMES {
            for at in 0..name.len() {
                for other in [b'-', b'x', b'0', b'.', b'_', 0xe9] {
                    let mut bytes = name.as_bytes().to_vec();
                    bytes[at] = other;
                    if !bytes.eq_ignore_ascii_case(name.as_bytes()) {
                        assert_ne!(HeaderId::from_name(&bytes), id, "{}", bytes.escape_ascii());
                    }
                }
            }
            let longer = format!("{name}s");
            assert_ne!(HeaderId::from_name(longer.as_bytes()), id);
        }
        assert_eq!(HeaderId::from_name(b""), HeaderId::Other);
        assert_eq!(HeaderId::from_name(&[b'v'; 300]), HeaderId::Other);
    }

    #[test]
    fn compact_names_and_reasons() {
        assert_eq!(HeaderId::from_name(b"i"), HeaderId::CallId);
        assert_eq!(HeaderId::SessionExpires.compact_name(), Some("x"));
        assert_eq!(HeaderId::Cseq.compact_name(), None);
        assert_eq!(HeaderId::Via.bad_reason(), "Bad Via");
        assert_eq!(HeaderId::CallId.missing_reason(), "Missing Call-ID");
        assert_eq!(HeaderId::Cseq.multiple_reason(), "Multiple CSeq");
    }
}
