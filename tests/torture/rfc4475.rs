//! RFC 4475, one row a message. What counts here is the parser's verdict; what a proxy or a registrar says of a message that is fine (416, 420, 403, a
//! broken Date …) is tested with them.

use tine::sip::Index;

use crate::Verdict::{self, Answered, Dropped, Fine};
use crate::{scanners, verdict_of};

const VERDICTS: [(&str, Verdict); 49] = [
    // §3.1.1, valid messages.
    ("wsinv", Fine),
    ("intmeth", Fine),
    ("esc01", Fine),
    ("escnull", Fine),
    ("esc02", Fine),
    ("lwsdisp", Fine),
    ("longreq", Fine),
    ("dblreq", Fine),
    ("semiuri", Fine),
    ("transports", Fine),
    ("mpart01", Fine),
    ("unreason", Fine),
    ("noreason", Fine),
    // §3.1.2, invalid messages.
    ("badinv01", Answered(400, "Bad Via")),
    ("clerr", Answered(400, "Content-Length Too Large")),
    ("ncl", Answered(400, "Bad Content-Length")),
    ("scalar02", Answered(400, "Bad CSeq")),
    ("scalarlg", Dropped("bad_header", "Bad CSeq")),
    ("quotbal", Answered(400, "Bad To")),
    ("ltgtruri", Answered(400, "Bad Request-URI")),
    ("lwsruri", Answered(400, "Bad Request-URI")),
    ("lwsstart", Answered(400, "Bad Start Line")),
    ("trws", Answered(400, "Bad Start Line")),
    ("escruri", Answered(400, "Bad Request-URI")),
    // §3.1.2.12: the Date is nobody's on the way.
    ("baddate", Fine),
    ("regbadct", Answered(400, "Bad Contact")),
    ("badaspec", Answered(400, "Bad To")),
    // §3.1.2.15: this file has no empty line behind its head.
    ("baddn", Answered(400, "Truncated Message")),
    ("badvers", Answered(505, "Version Not Supported")),
    ("mismatch01", Answered(400, "CSeq Method Mismatch")),
    ("mismatch02", Answered(400, "CSeq Method Mismatch")),
    ("bigcode", Dropped("start_line", "Bad Start Line")),
    // §3.2: the branch is a cookie and nothing else, to be matched by the old rule.
    ("badbranch", Fine),
    // §3.3, for the layers above, but for what is missing or repeated.
    ("insuf", Answered(400, "Missing From")),
    ("unkscm", Fine),
    ("novelsc", Fine),
    ("unksm2", Fine),
    ("bext01", Fine),
    ("invut", Fine),
    ("regaut01", Fine),
    ("multi01", Answered(400, "Multiple From")),
    ("mcl01", Answered(400, "Multiple Content-Length")),
    ("bcast", Fine),
    ("zeromf", Fine),
    ("cparam01", Fine),
    ("cparam02", Fine),
    ("regescrt", Fine),
    ("sdp01", Fine),
    // §3.4, RFC 2543.
    ("inv2543", Fine),
];

#[test]
#[allow(clippy::disallowed_methods)]
fn verdicts() {
    let Ok(directory) = std::env::var("TINE_RFC4475") else {
        println!("skipped: TINE_RFC4475 does not name the directory of the RFC 4475 messages");
        return;
    };
    let directory = std::path::Path::new(&directory);
    for scanner in scanners() {
        let mut index = Index::new(scanner, 128);
        for (name, verdict) in VERDICTS {
            let path = directory.join(name).with_extension("dat");
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(verdict_of(&bytes, &mut index), verdict, "{name} {scanner:?}");
        }
    }
    let entries = std::fs::read_dir(directory).expect("the directory").filter_map(Result::ok);
    let files = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "dat"));
    assert_eq!(files.count(), VERDICTS.len(), "each file has its verdict");
}
