use super::*;

/// xorshift64*: what the tests draw from.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

/// Hashes by how they are drawn: spread, few different ones, all at the end of the array, all equal.
fn hash_of(kind: usize, draw: &mut Draw) -> u64 {
    match kind {
        0 => draw.next(),
        1 => (draw.next() % 7) << 32 | draw.next() & 0xFFFF_FFFF,
        2 => (0xFFFF_FFFC + draw.next() % 4) << 32,
        _ => 0xDEAD_BEEF << 32,
    }
}

#[test]
fn agrees_with_a_naive_model() {
    for kind in 0..4 {
        for seed in 1..20 {
            let mut draw = Draw(seed * 77 + kind as u64);
            let max = 1 + (draw.next() % 60) as u32;
            let mut index = Index::new(max);
            let mut model: Vec<(u64, u32)> = Vec::new();
            for _ in 0..400 {
                let hash = match model.len() {
                    0 => hash_of(kind, &mut draw),
                    len if draw.next().is_multiple_of(2) => model[draw.next() as usize % len].0,
                    _ => hash_of(kind, &mut draw),
                };
                let slot = (draw.next() % 9) as u32;
                let known = model.iter().position(|&(h, s)| h >> 32 == hash >> 32 && s == slot);
                match draw.next() % 4 {
                    0 | 1 => {
                        let fits = model.len() < max as usize;
                        assert_eq!(index.insert(hash, slot), fits);
                        if fits {
                            model.push((hash, slot));
                        }
                    }
                    2 => {
                        assert_eq!(index.remove(hash, slot), known.is_some());
                        if let Some(at) = known {
                            model.swap_remove(at);
                        }
                    }
                    _ => {
                        let new = (draw.next() % 9) as u32;
                        assert_eq!(index.replace(hash, slot, new), known.is_some());
                        if let Some(at) = known {
                            model[at].1 = new;
                        }
                    }
                }
                index.invariants();
                let mut seen = Vec::new();
                index.find(hash, |slot| {
                    seen.push(slot);
                    false
                });
                let mut wanted: Vec<u32> =
                    model.iter().filter(|(h, _)| h >> 32 == hash >> 32).map(|&(_, s)| s).collect();
                seen.sort_unstable();
                wanted.sort_unstable();
                assert_eq!(seen, wanted, "kind {kind}, seed {seed}");
            }
        }
    }
}

#[test]
fn searches_stay_short_at_the_limit() {
    let mut draw = Draw(5);
    let max = 75_000;
    let mut index = Index::new(max);
    for slot in 0..max {
        assert!(index.insert(draw.next(), slot));
    }
    assert!(!index.insert(1, 1));
    let places = index.places.len() as u32;
    assert!(max * 10 <= places * 6);
    let mut run = 0;
    let mut longest = 0;
    for &entry in &index.places {
        run = if entry == EMPTY { 0 } else { run + 1 };
        longest = longest.max(run);
    }
    assert!(longest < 200, "the longest run of taken places is {longest}");
}

#[test]
fn an_index_of_nothing_works() {
    let mut index = Index::new(0);
    assert!(!index.insert(3, 3));
    assert_eq!(index.find(3, |_| true), None);
    assert!(!index.remove(3, 3));
    assert!(index.is_empty());
}
