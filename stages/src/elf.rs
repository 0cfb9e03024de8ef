//! Whether Lambda, or a container without a file beside it, can run an executable: read from the file before anything is
//! uploaded.

use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};
use object::{Architecture, Endianness, Object, ObjectKind, ObjectSymbol};

/// glibc of `provided.al2023`. Source: AWS documentation, Lambda runtimes.
const GLIBC: (u32, u32) = (2, 34);

/// Why Lambda could not run it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ElfError {
    /// It is something else, such as a script or a macOS program.
    #[error("it is no 64-bit ELF file, as Linux runs them")]
    NotElf(#[from] object::Error),
    /// It is a library or an object file.
    #[error("it is a library or an object file, no executable")]
    NotExecutable,
    /// It is for another processor.
    #[error("it is built for {found:?}, but the {whose} architecture is `{wanted}`")]
    Architecture {
        /// Of what it should be for.
        whose: &'static str,
        /// What it is for.
        found: Architecture,
        /// What it should be for.
        wanted: spec::Architecture,
    },
    /// It asks for a loader that an image of one file does not have.
    #[error("it is linked dynamically, and the image holds no loader `{0}`")]
    Dynamic(String),
    /// It asks for a library that an image of one file does not have.
    #[error("it needs a shared library, and the image holds none")]
    Library,
    /// It was linked on a newer Linux.
    #[error(
        "it needs glibc {}.{} (symbol `{symbol}`), but Lambda's `provided.al2023` has {}.{}: build it with \
         `cargo zigbuild --target x86_64-unknown-linux-gnu.2.34` or `cargo lambda build` and name it by \
         `package: {{ proxy: … }}`",
        needs.0, needs.1, GLIBC.0, GLIBC.1
    )]
    Glibc {
        /// The version.
        needs: (u32, u32),
        /// What needs it.
        symbol: String,
    },
}

impl ElfError {
    /// What to do about a program for an image.
    pub(crate) fn help(&self) -> Option<String> {
        let help = match self {
            Self::Dynamic(_) | Self::Library => {
                "link it statically: with `-C target-feature=+crt-static` and a `--target` that is named, or for a `musl` \
                 target"
            }
            Self::Architecture { .. } => {
                "the architecture is that of the endpoint's machines: `instances.type` in stage `create-endpoint`"
            }
            _ => return None,
        };
        Some(help.to_owned())
    }
}

/// Refuses what could not run in an image that holds no other file.
pub(crate) fn check_static(bytes: &[u8], wanted: spec::Architecture) -> Result<(), ElfError> {
    check_executable(bytes, wanted, "image's")?;
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, bytes)? {
        if let Some(loader) = segment.interpreter(endian, bytes)? {
            return Err(ElfError::Dynamic(String::from_utf8_lossy(loader).into_owned()));
        }
        let needed = |entry: &_| Dyn::tag(entry, endian) == DT_NEEDED;
        if segment.dynamic(endian, bytes)?.into_iter().flatten().any(needed) {
            return Err(ElfError::Library);
        }
    }
    Ok(())
}

/// Refuses what Lambda could not run.
pub(crate) fn check(bytes: &[u8], wanted: spec::Architecture) -> Result<(), ElfError> {
    let elf = check_executable(bytes, wanted, "function's")?;
    check_glibc(&elf, bytes)
}

fn check_executable<'a>(
    bytes: &'a [u8],
    wanted: spec::Architecture,
    whose: &'static str,
) -> Result<ElfFile64<'a, Endianness>, ElfError> {
    let elf = ElfFile64::<Endianness>::parse(bytes)?;
    if !matches!(elf.kind(), ObjectKind::Executable | ObjectKind::Dynamic) || elf.entry() == 0 {
        return Err(ElfError::NotExecutable);
    }
    let machine = match wanted {
        spec::Architecture::X86_64 => Architecture::X86_64,
        spec::Architecture::Arm64 => Architecture::Aarch64,
    };
    if elf.architecture() != machine {
        return Err(ElfError::Architecture { whose, found: elf.architecture(), wanted });
    }
    Ok(elf)
}

fn check_glibc(elf: &ElfFile64<'_, Endianness>, bytes: &[u8]) -> Result<(), ElfError> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let Some(versions) = header.sections(endian, bytes)?.versions(endian, bytes)? else { return Ok(()) };
    // A weak symbol that is missing is no failure: the program asks before it calls.
    for symbol in elf.dynamic_symbols().filter(|symbol| symbol.is_undefined() && !symbol.is_weak()) {
        let index = versions.version_index(endian, symbol.index()).index();
        let needs = versions.version(index)?.and_then(|version| glibc(version.name()));
        if let Some(needs) = needs
            && needs > GLIBC
        {
            return Err(ElfError::Glibc { needs, symbol: symbol.name().unwrap_or_default().to_owned() });
        }
    }
    Ok(())
}

/// `GLIBC_2.34` → (2, 34).
fn glibc(version: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(version).ok()?.strip_prefix("GLIBC_")?;
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_script_is_refused() {
        insta::assert_snapshot!(check(b"#!/bin/sh\nexit 0\n", spec::Architecture::X86_64).unwrap_err(), @"it is no 64-bit ELF file, as Linux runs them");
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn another_processor_is_refused() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        insta::assert_snapshot!(check(&own, spec::Architecture::Arm64).unwrap_err(), @"it is built for X86_64, but the function's architecture is `arm64`");
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(glibc(b"GLIBC_2.4").unwrap() < GLIBC);
        assert!(glibc(b"GLIBC_2.35").unwrap() > GLIBC);
        assert_eq!(glibc(b"GCC_3.0"), None);
        assert_eq!(glibc(b"GLIBC_PRIVATE"), None);
    }

    #[test]
    fn a_newer_glibc_is_refused_by_the_symbol_that_needs_it() {
        // The system's own C library asks its loader for a version that no release of glibc bears; a program of the
        // build machine serves as the accepted case.
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let patched = renamed(&own, b"GLIBC_2.34\0", b"GLIBC_2.99\0");
        if patched == own || !Path::new("/proc/self/exe").exists() {
            return;
        }
        let error = check(
            &patched,
            if cfg!(target_arch = "x86_64") { spec::Architecture::X86_64 } else { spec::Architecture::Arm64 },
        );
        assert!(error.unwrap_err().to_string().starts_with("it needs glibc 2.99 (symbol `"));
    }

    fn renamed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let at: Vec<usize> =
            bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from).map(|(at, _)| at).collect();
        for at in at {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        bytes
    }
}
