//! What windlass remembers: inbox, runs, journal, releases, and the embedded queue.
