//! What each check says, and what to do when it fails.

use crate::language::Language;
use ledger::Check;

/// What holds when the check passes.
pub fn meaning(language: Language, check: Check) -> &'static str {
    let (french, english) = match check {
        Check::PositionGap => (
            "les positions se suivent sans trou ni répétition",
            "positions follow one another without gap or repetition",
        ),
        Check::Leaf => ("chaque ligne est ce que sa feuille atteste", "every row is what its leaf commits to"),
        Check::StreamChain => ("chaque flux est complet et enchaîné", "every stream is whole and chained"),
        Check::ClockOrder => ("les dates d’enregistrement ne reculent jamais", "recorded times never go back"),
        Check::Root => ("la racine enregistrée est celle des feuilles", "the stored root is that of the leaves"),
        Check::SegmentFrame => {
            ("les segments scellés ont la forme documentée", "sealed segments are framed as documented")
        }
        Check::SegmentSubject => (
            "chaque donnée personnelle est scellée pour la bonne personne",
            "every personal value is sealed for its own person",
        ),
        Check::SegmentKey => {
            ("chaque clé est présente ou dite détruite", "every key is there, or said to be destroyed")
        }
        Check::SegmentOpen => ("chaque segment s’ouvre à sa place", "every segment opens at its place"),
        Check::SegmentCommitment => {
            ("chaque segment contient ce que la feuille atteste", "every segment holds what its leaf commits to")
        }
        Check::SegmentNonce => ("aucun nonce n’a servi deux fois", "no nonce was used twice"),
        Check::EventForm => ("chaque événement est compris", "every event is understood"),
        Check::ErasureEvent => {
            ("chaque clé détruite a son événement d’effacement", "every destroyed key has its erasure event")
        }
        Check::Manifest => {
            ("chaque manifeste est celui des têtes de flux", "every manifest is that of the stream heads")
        }
        Check::Tiles => ("les tuiles publiées contiennent les feuilles", "the published tiles hold the leaves"),
        Check::CheckpointSignature => (
            "le point de contrôle est signé et cosigné comme exigé",
            "the checkpoint is signed, and cosigned as demanded",
        ),
        Check::CheckpointExtends => {
            ("le registre prolonge le dernier point de contrôle", "the ledger extends the last checkpoint")
        }
        Check::ViewRows => ("les vues sont ce que le registre dit", "the views are what the ledger says"),
        Check::BundleForm => ("le dossier a la forme documentée", "the bundle is of the documented form"),
        Check::Entry => ("la forme lisible dit ce que dit l’entrée", "the readable form says what the entry says"),
        Check::Inclusion => {
            ("la preuve mène de la feuille à la racine signée", "the proof leads from the leaf to the signed root")
        }
    };
    language.of(french, english)
}

/// What to do when it fails.
pub fn remedy(language: Language, check: Check) -> &'static str {
    let (french, english) = match check {
        Check::PositionGap | Check::Leaf | Check::StreamChain | Check::ClockOrder | Check::SegmentFrame => (
            "Le registre a été modifié hors du service : conserver la base en l’état, comparer avec une sauvegarde et le point de contrôle gardé ailleurs.",
            "The ledger was changed behind the service's back: keep the database as it is, compare with a backup and the checkpoint kept elsewhere.",
        ),
        Check::Root => (
            "La tête ou des feuilles ont été remplacées : n’y ajoutez rien, comparez avec le point de contrôle gardé ailleurs.",
            "The head or leaves were replaced: append nothing, compare with the checkpoint kept elsewhere.",
        ),
        Check::SegmentSubject | Check::SegmentOpen | Check::SegmentCommitment => (
            "Les données scellées ont été abîmées ou déplacées : reprendre ces lignes d’une sauvegarde ; la preuve, elle, tient par l’engagement.",
            "Sealed data was damaged or moved: take these rows from a backup; the proof itself holds by its commitment.",
        ),
        Check::SegmentKey => (
            "Vérifier que la clé maîtresse est la bonne, puis reprendre les clés de leur sauvegarde.",
            "Make sure that the master key is the right one, then take the keys from their own backup.",
        ),
        Check::SegmentNonce => (
            "Des segments ont été copiés ou scellés hors du service : rechercher qui a tenu les clés.",
            "Segments were copied, or sealed outside the service: find out who held the keys.",
        ),
        Check::EventForm => (
            "Utiliser une version du programme au moins aussi récente que celle qui a écrit l’événement.",
            "Use a version of the program at least as new as the one that wrote the event.",
        ),
        Check::ErasureEvent => (
            "Une clé a été détruite ou restaurée hors du service : la reprendre de la sauvegarde des clés, ou refaire l’effacement.",
            "A key was destroyed or brought back behind the service's back: take it from the keys' backup, or erase again.",
        ),
        Check::Manifest => (
            "Des flux ont été amputés ou ajoutés depuis ce manifeste : comparer avec une sauvegarde de ce jour.",
            "Streams were cut short or added since that manifest: compare with a backup of that day.",
        ),
        Check::Tiles => (
            "Reconstruire les tuiles depuis le registre après avoir compris ce qui les a changées.",
            "Build the tiles from the ledger again, once it is known what changed them.",
        ),
        Check::CheckpointSignature => (
            "Vérifier les clés publiques dont on se sert, puis demander le point de contrôle à sa source.",
            "Make sure of the public keys in use, then ask for the checkpoint at its source.",
        ),
        Check::CheckpointExtends => (
            "Une sauvegarde plus ancienne a été remise en service, ou l’histoire réécrite : arrêter le service et suivre docs/proof.md.",
            "An older backup was put back, or history was rewritten: stop the service and follow docs/proof.md.",
        ),
        Check::ViewRows => (
            "Reconstruire les vues (matricule views rebuild) après avoir cherché qui les a changées.",
            "Rebuild the views (matricule views rebuild), once it is known who changed them.",
        ),
        Check::BundleForm | Check::Entry | Check::Inclusion => (
            "Le fichier n’est pas celui qui a été exporté : en demander un nouveau et comparer.",
            "The file is not the one that was exported: ask for another and compare.",
        ),
    };
    language.of(french, english)
}
