//! Vocabulary, contracts and pure decisions of windlass.
