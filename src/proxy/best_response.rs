//! Which of several final responses the caller gets (RFC 3261 §16.7 step 6), as an ordering kept in a table.

/// Ranks inside class 4xx: first the answers that help the caller to repair the request, last those that say least.
/// A status that is not listed stands between the two groups.
const RANKS_4XX: &[(u16, u8)] = &[
    (401, 0),
    (407, 0),
    (415, 1),
    (420, 2),
    (421, 2),
    (422, 3),
    (423, 3),
    (484, 4),
    (416, 5),
    (413, 5),
    // Unlisted ones: RANK_UNLISTED.
    (486, 20),
    (480, 21),
    (430, 22),
    (404, 23),
    (408, 24),
];

const RANK_UNLISTED: u8 = 10;

/// Orders final statuses: the smallest rank is the best response. 6xx goes over all, then the lowest class, then the table.
pub fn rank(status: u16) -> u16 {
    let class = status / 100;
    let class_rank = match class {
        2 => 0,
        6 => 1,
        class => class,
    };
    let inside = match class {
        4 => RANKS_4XX.iter().find(|(listed, _)| *listed == status).map_or(RANK_UNLISTED, |(_, rank)| *rank),
        // 503 says the least of class 5: it is rewritten to 500 before it goes upstream.
        5 if status == 503 => RANK_UNLISTED + 1,
        _ => RANK_UNLISTED,
    };
    class_rank * 256 + u16::from(inside)
}

/// The status under which a kept response goes upstream: a 503 of one device says nothing of the others and nothing of this proxy, and would
/// take the whole proxy out of use for its caller, so it becomes 500 (RFC 3261 §16.7 step 6).
pub fn status_upstream(status: u16) -> u16 {
    if status == 503 { 500 } else { status }
}

/// Whether an answer of that status brings challenges, which the caller gets of all devices at once (§16.7 step 7).
pub fn is_challenge(status: u16) -> bool {
    matches!(status, 401 | 407)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_the_rule_says() {
        // Each row: better, worse.
        let rows = [
            (603, 302),
            (600, 404),
            (302, 404),
            (401, 486),
            (407, 404),
            (415, 480),
            (420, 403),
            (484, 487),
            (403, 486),
            (486, 480),
            (480, 404),
            (404, 408),
            (408, 500),
            (500, 503),
            (504, 503),
        ];
        for (better, worse) in rows {
            assert!(rank(better) < rank(worse), "{better} must go before {worse}");
        }
    }

    #[test]
    fn service_unavailable_of_a_device_is_not_ours() {
        assert_eq!([503, 500, 404].map(status_upstream), [500, 500, 404]);
    }
}
