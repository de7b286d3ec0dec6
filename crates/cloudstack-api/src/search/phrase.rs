//! Which phrase of a command comes nearest to a request as a whole.

use super::store::Store;

/// For each document how near its nearest phrase comes, from 0 to 1.
///
/// A unit of the request is given as its terms with their mass, the heaviest first; `whole` is the mass of all units.
pub(super) fn nearest(store: &Store, units: &[Vec<(u32, f32)>], whole: f32) -> Vec<f32> {
    let mut common = vec![(0.0_f32, usize::MAX); store.owners().len()];
    for (place, unit) in units.iter().enumerate() {
        for (term, mass) in unit {
            for phrase in store.phrases(*term) {
                if let Some((sum, last)) = common.get_mut(phrase).filter(|(_, last)| *last != place) {
                    *sum += mass;
                    *last = place;
                }
            }
        }
    }
    let mut nearest = vec![0.0_f32; store.documents.len()];
    for ((document, own), (common, _)) in store.owners().zip(common).filter(|(_, (common, _))| *common > 0.0) {
        if let Some(best) = nearest.get_mut(document) {
            *best = best.max((common * common / (own * whole)).min(1.0));
        }
    }
    nearest
}
