//! Stage `teardown`: says what a teardown keeps. The removal itself is the plan's goal *absent*.

use spec::Keep;

use crate::{Declared, Stage, Wanted, create_endpoint, deploy_proxy, upload};

/// The stage.
pub const STAGE: Stage = Stage { name: "teardown", summary: "what `runner teardown` keeps", declare };

fn declare(wanted: &Wanted<'_>, declared: &mut Declared) {
    for keep in &wanted.spec.teardown.keep {
        let kept = match keep {
            Keep::Bucket => vec![upload::BUCKET, upload::MODEL, upload::EVALUATION],
            Keep::Logs => vec![create_endpoint::LOGS, deploy_proxy::LOGS, deploy_proxy::ACCESS_LOGS],
        };
        for id in kept {
            declared.keep(id);
        }
    }
}
