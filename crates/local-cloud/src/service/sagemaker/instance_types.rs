//! The instance types that can host or train a model, as botocore 1.43 lists them.

/// Families, and the sizes that each of them has.
type Families = [(&'static str, &'static str)];

/// What an endpoint can run on.
const HOSTING: &Families = &[
    ("t2", "medium large xlarge 2xlarge"),
    ("m4", "xlarge 2xlarge 4xlarge 10xlarge 16xlarge"),
    ("m5 m5d r5 r5d", "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge"),
    ("c4", "large xlarge 2xlarge 4xlarge 8xlarge"),
    ("p2", "xlarge 8xlarge 16xlarge"),
    ("p3", "2xlarge 8xlarge 16xlarge"),
    ("c5 c5d", "large xlarge 2xlarge 4xlarge 9xlarge 18xlarge"),
    ("g4dn", "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    ("inf1", "xlarge 2xlarge 6xlarge 24xlarge"),
    ("dl1 p4d p4de", "24xlarge"),
    ("c6i m6i r6i c6in", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge"),
    ("g5 g6 g6e", "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
    ("r8g c8g m8g", "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
    ("g7e", "2xlarge 4xlarge 8xlarge 12xlarge 24xlarge 48xlarge"),
    ("c7g m6g m6gd c6g c6gd c6gn r6g r6gd", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    ("trn1", "2xlarge 32xlarge"),
    ("trn1n", "32xlarge"),
    ("trn2 p5e p5en p6-b200 p6-b300", "48xlarge"),
    ("inf2", "xlarge 8xlarge 24xlarge 48xlarge"),
    ("p5", "4xlarge 48xlarge"),
    ("m7i c7i r7i", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
    ("r7gd", "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    ("p6e-gb200", "36xlarge"),
];

/// What a training job can run on.
const TRAINING: &Families = &[
    ("m4", "xlarge 2xlarge 4xlarge 10xlarge 16xlarge"),
    ("g4dn", "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    ("m5", "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge"),
    ("c4", "xlarge 2xlarge 4xlarge 8xlarge"),
    ("p2", "xlarge 8xlarge 16xlarge"),
    ("p3", "2xlarge 8xlarge 16xlarge"),
    ("p3dn p4d p4de", "24xlarge"),
    ("p5", "48xlarge 4xlarge"),
    ("p5e p5en trn2 p6-b200 p6-b300", "48xlarge"),
    ("c5 c5n", "xlarge 2xlarge 4xlarge 9xlarge 18xlarge"),
    ("g5 g6 g6e", "xlarge 2xlarge 4xlarge 8xlarge 16xlarge 12xlarge 24xlarge 48xlarge"),
    ("trn1", "2xlarge 32xlarge"),
    ("trn1n", "32xlarge"),
    ("m6i", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge"),
    ("c6i", "xlarge 2xlarge 8xlarge 4xlarge 12xlarge 16xlarge 24xlarge 32xlarge"),
    ("r5d r5", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge"),
    ("t3", "medium large xlarge 2xlarge"),
    ("m7i c7i r7i", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
    ("p6e-gb200", "36xlarge"),
    ("g7e", "2xlarge 4xlarge 8xlarge 12xlarge 24xlarge 48xlarge"),
];

/// Whether an endpoint can run on it.
pub(super) fn is_known(instance_type: &str) -> bool {
    all().any(|known| known == instance_type)
}

/// Whether it comes with a local disk, and so without a volume of its own. Source: EC2's instance store volumes.
pub(super) fn has_own_disk(instance_type: &str) -> bool {
    const WITHOUT_A_D: [&str; 6] = ["g5", "g6", "g7", "p5", "p6", "trn"];
    let family = instance_type.split('.').nth(1).unwrap_or_default();
    family.contains('d') || WITHOUT_A_D.iter().any(|other| family.starts_with(other))
}

/// Every type that can host, in the table's order.
pub fn all() -> impl Iterator<Item = String> {
    names(HOSTING)
}

/// Every type that can train, in the table's order.
pub fn for_training() -> impl Iterator<Item = String> {
    names(TRAINING)
}

fn names(families: &'static Families) -> impl Iterator<Item = String> {
    families.iter().flat_map(|(families, sizes)| {
        families.split(' ').flat_map(|family| sizes.split(' ').map(move |size| format!("ml.{family}.{size}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_every_type_once() {
        for (mut types, count) in [(all().collect::<Vec<_>>(), 271), (for_training().collect(), 145)] {
            assert_eq!(types.len(), count);
            types.sort();
            types.dedup();
            assert_eq!(types.len(), count);
        }
        assert!(is_known("ml.t2.medium"));
        assert!(!is_known("ml.t2.mediu"));
        assert!(!is_known("t2.medium"));
        let with_disks: Vec<_> = all().filter(|kind| has_own_disk(kind) && kind.ends_with(".24xlarge")).collect();
        insta::assert_snapshot!(with_disks.join(" "), @"ml.m5d.24xlarge ml.r5d.24xlarge ml.dl1.24xlarge ml.p4d.24xlarge ml.p4de.24xlarge ml.g5.24xlarge ml.g6.24xlarge ml.g6e.24xlarge ml.g7e.24xlarge");
    }
}
