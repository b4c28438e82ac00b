//! The two stages over fixture rules: what they write, what they leave out, what they remember.

#[cfg(test)]
mod changelog;
#[cfg(test)]
mod correlating;
#[cfg(test)]
mod flowing;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod matching;
#[cfg(test)]
mod support;
