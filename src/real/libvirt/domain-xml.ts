/**
 * What nodekeeper needs to know of a domain's XML before it keeps it: whose it is, what it is called, what it takes. The rest
 * is libvirt's affair (`virsh define --validate` on the node). Document types are refused: nobody needs entities here.
 */
import { parseXml, XmlElement } from '@rgrove/parse-xml';
import { uuidPattern, vmNamePattern } from '../../records/vm.ts';

export const xmlBytesMax = 150_000;

export interface DomainFacts {
  readonly uuid: string;
  readonly name: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
}

export type ReadDomain =
  { readonly ok: true; readonly domain: DomainFacts } | { readonly ok: false; readonly because: string };

/** Units of libvirt's <memory>, in bytes; without one it is KiB. */
const unitBytes: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  KB: 1e3,
  k: 1024,
  KiB: 1024,
  MB: 1e6,
  M: 2 ** 20,
  MiB: 2 ** 20,
  GB: 1e9,
  G: 2 ** 30,
  GiB: 2 ** 30,
  TB: 1e12,
  T: 2 ** 40,
  TiB: 2 ** 40,
};

export function readDomainXml(xml: string): ReadDomain {
  const no = (because: string) => ({ ok: false, because }) as const;
  if (Buffer.byteLength(xml) > xmlBytesMax)
    return no(`it has ${Buffer.byteLength(xml)} bytes; at most ${xmlBytesMax} are taken`);
  if (/<!DOCTYPE/i.test(xml)) return no('it declares a document type; a domain needs none, and none is taken');
  let root: XmlElement | null;
  try {
    root = parseXml(xml).root;
  } catch (error) {
    return no(`it is not XML: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`);
  }
  if (root?.name !== 'domain') return no(`its root is <${root?.name ?? 'nothing'}>; expected <domain>`);
  const type = root.attributes['type'] ?? '';
  if (type !== 'kvm' && type !== 'qemu') return no(`its type is "${type}"; expected kvm or qemu`);
  const name = textOf(root, 'name');
  if (name === null) return no('it has no <name>');
  if (!vmNamePattern.test(name)) return no(`the name ${JSON.stringify(name)} is not one that libvirt takes`);
  const uuid = textOf(root, 'uuid')?.toLowerCase() ?? null;
  if (uuid === null) return no('it has no <uuid>; uuidgen makes one');
  if (!uuidPattern.test(uuid)) return no(`<uuid> is ${JSON.stringify(uuid)}; expected the form 8-4-4-4-12`);
  const memoryMiB = memoryOf(root);
  if (memoryMiB === null) return no('it has no <memory> that can be understood');
  const vcpus = Number(textOf(root, 'vcpu') ?? '1');
  if (!Number.isInteger(vcpus) || vcpus < 1) return no('<vcpu> is not a number of processors');
  return { ok: true, domain: { uuid, name, memoryMiB, vcpus } };
}

function child(root: XmlElement, name: string): XmlElement | null {
  return root.children.find((node): node is XmlElement => node instanceof XmlElement && node.name === name) ?? null;
}

function textOf(root: XmlElement, name: string): string | null {
  return child(root, name)?.text.trim() ?? null;
}

function memoryOf(root: XmlElement): number | null {
  const memory = child(root, 'memory');
  const bytes = Number(memory?.text.trim() || NaN) * (unitBytes[memory?.attributes['unit'] ?? 'KiB'] ?? NaN);
  return Number.isFinite(bytes) && bytes > 0 ? Math.max(1, Math.ceil(bytes / 2 ** 20)) : null;
}
