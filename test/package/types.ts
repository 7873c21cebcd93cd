/** What the compiler says of a program that uses the package. */
import path from 'node:path';
import ts from 'typescript';

/** Declarations of the compiler itself, parsed once. */
const libraries = new Map<string, ts.SourceFile | undefined>();

/**
 * Compiles a file of a folder and lists what is wrong with it and with every declaration of this package. Other packages' are
 * read, but not checked for themselves, which would take most of the time.
 */
export function typeErrors(folder: string, file: string, options: ts.CompilerOptions): string[] {
  const strict = { strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, types: [], ...options };
  const host = ts.createCompilerHost(strict);
  const read = host.getSourceFile;
  host.getCurrentDirectory = () => folder;
  host.getSourceFile = (name, ...how) => {
    if (!path.basename(name).startsWith('lib.')) return read(name, ...how);
    if (!libraries.has(name)) libraries.set(name, read(name, ...how));
    return libraries.get(name);
  };
  const program = ts.createProgram([path.join(folder, file)], strict, host);
  const own = program.getSourceFiles().filter((source) => {
    const at = source.fileName.lastIndexOf('/node_modules/');
    const ours = at < 0 || source.fileName.startsWith('vnet-segmentation/', at + '/node_modules/'.length);
    return ours && !program.isSourceFileDefaultLibrary(source);
  });
  return [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...own.flatMap((source) => [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ]),
  ].map(
    ({ file: at, messageText }) =>
      `${at?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
  );
}
