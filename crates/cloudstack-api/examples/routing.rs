use cloudstack_api::{catalog::*, search::*};
fn main() {
    let c = Catalog::embedded(Release::NEWEST);
    let t = std::time::Instant::now();
    let ix = Index::new(&c);
    println!("index {:?}", t.elapsed());
    let half = std::env::args().nth(1).unwrap_or_default();
    let verbose = std::env::args().nth(2).is_some();
    let mut n = 0; let mut at = [0usize; 3];
    let t = std::time::Instant::now();
    for (i, l) in std::fs::read_to_string("/work/shared/golden/routing.jsonl").unwrap().lines().enumerate() {
        if (half == "a" && i % 2 == 1) || (half == "b" && i % 2 == 0) { continue; }
        let v: serde_json::Value = serde_json::from_str(l).unwrap();
        let q = v["query"].as_str().unwrap();
        let hits = ix.search(q, &Filter::default(), 5);
        n += 1;
        let pos = hits.iter().position(|h| v["accept"].as_array().unwrap().iter().any(|a| a == h.command.as_str()));
        for (k, lim) in [1, 3, 5].into_iter().enumerate() { if pos.is_some_and(|p| p < lim) { at[k] += 1; } }
        if verbose && pos.is_none_or(|p| p > 0) { println!("{:?} {} {q}\n     want {} got {:?}", pos, v["kind"], v["accept"], hits.iter().map(|h| format!("{} {:.1}", h.command, h.score)).collect::<Vec<_>>()); }
    }
    println!("{n} @1 {:.1} @3 {:.1} @5 {:.1}  {:?} a query", at[0] as f64 * 100. / n as f64, at[1] as f64 * 100. / n as f64, at[2] as f64 * 100. / n as f64, t.elapsed() / n as u32);
}
