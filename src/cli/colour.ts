import picocolors from 'picocolors';

const { NO_COLOR: no, FORCE_COLOR: force, TERM: term } = process.env;

/**
 * Whether this program colours what it prints: where both outputs are a terminal, since one string may go to either, or
 * where FORCE_COLOR asks for it; never where NO_COLOR is set. The library's own test would colour pipes too wherever a
 * CI system runs, and there `guardOutputs` shows the colours' bytes as text.
 */
const terminals = Boolean(process.stdout.isTTY && process.stderr.isTTY) && term !== 'dumb';
const coloured = !no && (Boolean(force) || terminals);

const pc = picocolors.createColors(coloured);
export default pc;
