use std::io::Write;
use tine::shard::{Options as SO, Shard};
use tine::shell::*;
struct O;
impl Observer for O {
    fn on_ready(&mut self, l: &[BoundListener]) {
        println!("ready {l:?}");
        std::io::stdout().flush().unwrap();
    }
    fn on_reload(&mut self) {
        println!("reload");
    }
}
fn main() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut a = std::env::args().skip(1);
    let shards: usize = a.next().unwrap().parse().unwrap();
    let listeners = a
        .map(|s| {
            let (t, ad) = s.split_once(' ').unwrap();
            ListenerOptions {
                transport: if t == "udp" { tine::flow::Transport::Udp } else { tine::flow::Transport::Tcp },
                zone: tine::flow::Zone::Access,
                address: ad.parse().unwrap(),
                advertise: None,
            }
        })
        .collect();
    let o =
        tine::shell::Options { listeners, shards, cpus: vec![], drain: tine::time::Duration::from_secs(2) };
    let r = run(
        &o,
        vec![],
        move |id, e| {
            Shard::new(SO {
                shard: id,
                shards: shards as u8,
                key: [0; 32],
                epoch: 1,
                seed: 1,
                endpoints: e.to_vec(),
            })
        },
        &mut O,
    );
    if let Err(e) = r {
        eprintln!("tine: {e}");
        std::process::exit(e.exit_code().into());
    }
}
