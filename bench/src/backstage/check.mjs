// Reads entities as JSON from standard input and has Backstage's own model validate each.
import { createRequire } from 'node:module';
const require = createRequire(process.argv[2] + '/');
const model = require('@backstage/catalog-model');
const yaml = require('yaml');
const text = require('node:fs').readFileSync(0, 'utf8');
const entities = yaml.parseAllDocuments(text).map(d => d.toJS()).filter(e => e);
const validators = {
  Component: model.componentEntityV1alpha1Validator,
  Resource: model.resourceEntityV1alpha1Validator,
  Group: model.groupEntityV1alpha1Validator,
  User: model.userEntityV1alpha1Validator,
};
const policy = model.EntityPolicies.allOf([
  new model.SchemaValidEntityPolicy(),
  new model.NoForeignRootFieldsEntityPolicy(),
  new model.FieldFormatEntityPolicy(),
]);
if (entities.length === 0) throw new Error('there is no entity');
const known = new Set(entities.map(e => `${e.kind}:${e.metadata.name}`.toLowerCase()));
for (const entity of entities) {
  const validator = validators[entity.kind];
  if (!validator) throw new Error(`no validator for ${entity.kind}`);
  if (!(await validator.check(entity))) throw new Error(`${entity.kind} is not taken`);
  const named = { ...entity, metadata: { namespace: 'default', ...entity.metadata } };
  await policy.enforce(named);
  for (const ref of [entity.spec.owner, ...(entity.spec.dependsOn ?? [])].filter(r => r)) {
    const to = model.parseEntityRef(ref, { defaultKind: 'Group', defaultNamespace: 'default' });
    if (!known.has(`${to.kind}:${to.name}`.toLowerCase())) throw new Error(`${ref} leads nowhere`);
  }
}
console.log(entities.length);
