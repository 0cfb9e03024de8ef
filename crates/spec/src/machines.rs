//! Machines of SageMaker, told by the names of their types.

/// `t2` of `ml.t2.medium`; none when it is no instance type.
pub(crate) fn family(instance_type: &str) -> Option<&str> {
    let (family, size) = instance_type.strip_prefix("ml.")?.split_once('.')?;
    let word = |text: &str, extra: char| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == extra)
    };
    (word(family, '-') && family.contains(|c: char| c.is_ascii_digit()) && word(size, '-')).then_some(family)
}

/// Whether a machine saves up what it does not use, as `ml.t2.medium` does.
pub(crate) fn is_burstable(instance_type: &str) -> bool {
    family(instance_type).is_some_and(|family| family.starts_with('t') && !family.starts_with("trn"))
}

/// Whether its processor is an Arm.
///
/// AWS marks its own by a `g` after the generation, as in `c7gn`; the `g` of `g4dn` stands before it. Those with Grace
/// Blackwell chips are named after the chip. Source: AWS documentation, instance type naming conventions.
pub(crate) fn is_arm(instance_type: &str) -> bool {
    family(instance_type).is_some_and(|family| {
        let after_class = family.trim_start_matches(|c: char| c.is_ascii_lowercase());
        let options = after_class.trim_start_matches(|c: char| c.is_ascii_digit());
        options.starts_with('g') || options.contains("-gb")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arm_machines_are_told_by_their_names() {
        for arm in ["ml.m6g.large", "ml.c7gn.xlarge", "ml.r8g.medium", "ml.m6gd.large", "ml.p6e-gb200.36xlarge"] {
            assert!(is_arm(arm), "{arm}");
        }
        for other in ["ml.m5.large", "ml.g4dn.xlarge", "ml.g7e.2xlarge", "ml.p6-b200.48xlarge", "ml.t2.medium", "m6g"] {
            assert!(!is_arm(other), "{other}");
        }
    }
}
