import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../src/errors.js';
import { readPth } from '../../src/interop/pth.js';

/**
 * One state_dict in four files, written by CPython's pickle and zipfile with the class names and references of
 * `torch.save`: `conv.weight` 2×3×1×2 with strides (6, 1, 1, 3) from the second of 13 floats −1, 0, ¼, ½, …;
 * `norm.weight` three halves; `norm.num_batches_tracked` a 64-bit integer. `evil` calls `os.system` where it is loaded.
 */
const files = {
  zip: [
    'UEsDBBQAAAAAAMwUd13cLbDYpQEAAKUBAAAMAAAAbmV0L2RhdGEucGtsgAJ9cQAoWAUAAABlcG9jaHEBSwNYAgAAAGxycQJHP9AA',
    'AAAAAABYCgAAAHN0YXRlX2RpY3RxA2Njb2xsZWN0aW9ucwpPcmRlcmVkRGljdApxBClScQUoWAsAAABjb252LndlaWdodHEGY3Rv',
    'cmNoLl91dGlscwpfcmVidWlsZF90ZW5zb3JfdjIKcQcoKFgHAAAAc3RvcmFnZXEIY3RvcmNoCkZsb2F0U3RvcmFnZQpxCVgBAAAA',
    'MHEKWAMAAABjcHVxC0sNdHEMUUsBKEsCSwNLAUsCdHENKEsGSwFLAUsDdHEOiWgEKVJxD3RxEFJxEVgLAAAAbm9ybS53ZWlnaHRx',
    'EmgHKChoCGN0b3JjaApIYWxmU3RvcmFnZQpxE1gBAAAAMXEUaAtLA3RxFVFLAEsDhXEWSwGFcReJaAQpUnEYdHEZUnEaWBgAAABu',
    'b3JtLm51bV9iYXRjaGVzX3RyYWNrZWRxG2gHKChoCGN0b3JjaApMb25nU3RvcmFnZQpxHFgBAAAAMnEdaAtLAXRxHlFLACkpiWgE',
    'KVJxH3RxIFJxIXV1LlBLAwQUAAAAAADMFHddafmgiTQAAAA0AAAACgAAAG5ldC9kYXRhLzAAAIC/AAAAAAAAgD4AAAA/AABAPwAA',
    'gD8AAKA/AADAPwAA4D8AAABAAAAQQAAAIEAAADBAUEsDBBQAAAAAAMwUd121iFTpBgAAAAYAAAAKAAAAbmV0L2RhdGEvMQA4AMAA',
    'PVBLAwQUAAAAAADMFHdd+x7uxQgAAAAIAAAACgAAAG5ldC9kYXRhLzIHAAAAAgAAAFBLAwQUAAAAAADMFHdd0Z5nVQIAAAACAAAA',
    'CwAAAG5ldC92ZXJzaW9uMwpQSwECFAMUAAAAAADMFHdd3C2w2KUBAAClAQAADAAAAAAAAAAAAAAAgAEAAAAAbmV0L2RhdGEucGts',
    'UEsBAhQDFAAAAAAAzBR3XWn5oIk0AAAANAAAAAoAAAAAAAAAAAAAAIABzwEAAG5ldC9kYXRhLzBQSwECFAMUAAAAAADMFHddtYhU',
    '6QYAAAAGAAAACgAAAAAAAAAAAAAAgAErAgAAbmV0L2RhdGEvMVBLAQIUAxQAAAAAAMwUd137Hu7FCAAAAAgAAAAKAAAAAAAAAAAA',
    'AACAAVkCAABuZXQvZGF0YS8yUEsBAhQDFAAAAAAAzBR3XdGeZ1UCAAAAAgAAAAsAAAAAAAAAAAAAAIABiQIAAG5ldC92ZXJzaW9u',
    'UEsFBgAAAAAFAAUAGwEAALQCAAAAAA==',
  ].join(''),
  protocol4: [
    'UEsDBBQAAAAIAMwUd13RuTU+BQEAAHMBAAAMAAAAbmV0L2RhdGEucGtsTY5BTsMwEEXrhBaJtAtYcQR3E0EvwAYBkpFQywEs1zFx',
    'hGtXzriskNh0geRdh3txpDoBRGbl8fz39D9OvjQZ9fOONI7V1kmNLI+Z8Xh/8/1zimctCFC8aiRgLKQzRklonG3T9uQr5VV1290O',
    'OF8lTUrYXfmmmlqn/BScl7rkARqTgAvu1To0puKgbOs83y0SR2k8bVNQ1ArjuCcSeWecgOff7wNGcoUxl9uAbAa4ZISyjOWMsAyQ',
    'skl6EJYDfupJqgG4Su2s85u/JrqgVE/1LBYPwrwMtdeozztyyUYs3yMj+6HkspfYsOFrAVKrloMX8lVVA+Ojs/XQuOiMpDfO5/+u',
    'EMojUEsDBBQAAAAIAMwUd11p+aCJJwAAADQAAAAKAAAAbmV0L2RhdGEvMGNgaNjPAAYNdkDCnoHBAYgbgHgBEB8A4gdAzODAwCAA',
    'xApAbOAAAFBLAwQUAAAACADMFHddtYhU6QgAAAAGAAAACgAAAG5ldC9kYXRhLzFjsGA4wGALAFBLAwQUAAAACADMFHdd+x7uxQgA',
    'AAAIAAAACgAAAG5ldC9kYXRhLzJjZ2BgYAJiAFBLAQIUAxQAAAAIAMwUd13RuTU+BQEAAHMBAAAMAAAAAAAAAAAAAACAAQAAAABu',
    'ZXQvZGF0YS5wa2xQSwECFAMUAAAACADMFHddafmgiScAAAA0AAAACgAAAAAAAAAAAAAAgAEvAQAAbmV0L2RhdGEvMFBLAQIUAxQA',
    'AAAIAMwUd121iFTpCAAAAAYAAAAKAAAAAAAAAAAAAACAAX4BAABuZXQvZGF0YS8xUEsBAhQDFAAAAAgAzBR3Xfse7sUIAAAACAAA',
    'AAoAAAAAAAAAAAAAAIABrgEAAG5ldC9kYXRhLzJQSwUGAAAAAAQABADiAAAA3gEAAAAA',
  ].join(''),
  legacy: [
    'gAKKCmz8nEb5IGqoUBkugAJN6QMugAJ9cQAoWA0AAABsaXR0bGVfZW5kaWFucQGIWBAAAABwcm90b2NvbF92ZXJzaW9ucQJN6QNY',
    'CgAAAHR5cGVfc2l6ZXNxA31xBFgDAAAAaW50cQVLBHN1LoACY2NvbGxlY3Rpb25zCk9yZGVyZWREaWN0CnEAKVJxAShYCwAAAGNv',
    'bnYud2VpZ2h0cQJjdG9yY2guX3V0aWxzCl9yZWJ1aWxkX3RlbnNvcl92MgpxAygoWAcAAABzdG9yYWdlcQRjdG9yY2gKRmxvYXRT',
    'dG9yYWdlCnEFWAEAAAAwcQZYAwAAAGNwdXEHSw1OdHEIUUsBKEsCSwNLAUsCdHEJKEsGSwFLAUsDdHEKiWgAKVJxC3RxDFJxDVgL',
    'AAAAbm9ybS53ZWlnaHRxDmgDKChoBGN0b3JjaApIYWxmU3RvcmFnZQpxD1gBAAAAMXEQaAdLA050cRFRSwBLA4VxEksBhXETiWgA',
    'KVJxFHRxFVJxFlgYAAAAbm9ybS5udW1fYmF0Y2hlc190cmFja2VkcRdoAygoaARjdG9yY2gKTG9uZ1N0b3JhZ2UKcRhYAQAAADJx',
    'GWgHSwFOdHEaUUsAKSmJaAApUnEbdHEcUnEddS6AAl1xAChYAQAAADBxAVgBAAAAMXECWAEAAAAycQNlLg0AAAAAAAAAAACAvwAA',
    'AAAAAIA+AAAAPwAAQD8AAIA/AACgPwAAwD8AAOA/AAAAQAAAEEAAACBAAAAwQAMAAAAAAAAAADgAwAA9AQAAAAAAAAAHAAAAAgAA',
    'AA==',
  ].join(''),
  evil: [
    'UEsDBBQAAAAAAMwUd13QfktnNAAAADQAAAAMAAAAbmV0L2RhdGEucGtsgAJ9cQBYAQAAAGFxAWNwb3NpeApzeXN0ZW0KcQJYCAAA',
    'AGVjaG8gYmFkcQOFcQRScQVzLlBLAQIUAxQAAAAAAMwUd13QfktnNAAAADQAAAAMAAAAAAAAAAAAAACAAQAAAABuZXQvZGF0YS5w',
    'a2xQSwUGAAAAAAEAAQA6AAAAXgAAAAAA',
  ].join(''),
};

const bytes = (name: keyof typeof files) => Buffer.from(files[name], 'base64');

for (const name of ['zip', 'protocol4', 'legacy'] as const) {
  test(`tensors of a checkpoint, ${name}`, () => {
    const [{ tensors }] = readPth(bytes(name), 'net.pth');
    assert.deepEqual([...tensors.keys()], ['conv.weight', 'norm.weight', 'norm.num_batches_tracked']);
    const { shape, data } = tensors.get('conv.weight')!;
    assert.deepEqual(shape, [2, 3, 1, 2]);
    const expected: number[] = [];
    for (let o = 0; o < 2; o++)
      for (let i = 0; i < 3; i++) for (let x = 0; x < 2; x++) expected.push((6 * o + i + 3 * x) / 4);
    assert.deepEqual([...data], expected);
    assert.deepEqual([...tensors.get('norm.weight')!.data], [0.5, -2, 1.25]);
    assert.deepEqual([...tensors.get('norm.num_batches_tracked')!.data], [Math.fround(2 ** 33 + 7)]);
  });
}

const refused = (data: Uint8Array, message: RegExp) =>
  assert.throws(
    () => readPth(data, 'net.pth').map(({ tensors }) => [...tensors.values()].map((tensor) => tensor.data)),
    (error) => error instanceof UserError && /^net\.pth: /.test(error.message) && message.test(error.message),
  );

test('nothing but tensors is accepted, and nothing is executed', () => {
  refused(bytes('evil'), /(posix|nt|os)\.system.*state_dict/);
});

test('damaged files are refused in one line', () => {
  for (const name of ['zip', 'legacy'] as const) {
    const whole = bytes(name);
    refused(whole.subarray(0, whole.length - 60), /damaged|truncated/);
  }
  refused(Buffer.from('not a checkpoint'), /no checkpoint/);
  refused(Buffer.from([0x80, 2, 0x4b, 1, 0x2e]), /no checkpoint/);
});
