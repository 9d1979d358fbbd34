//! What a collector receives of windlass: the real exporter, the real protocol, a collector that keeps everything.

mod collector;
mod trace;
