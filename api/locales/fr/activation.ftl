activation-identify-title = Activer mon compte
activation-identify-lead = Indiquez votre nom et le téléphone portable que vous avez donnés à l’établissement de votre enfant. Si nous les retrouvons, vous recevrez un code par SMS.
activation-surname = Nom
activation-surname-hint = Nom de naissance ou nom d’usage.
activation-given-name = Prénom
activation-mobile = Téléphone portable
activation-mobile-hint = Par exemple 06 39 98 00 01. Un numéro du Pacifique ou de l’étranger s’écrit avec son indicatif, par exemple +687….
activation-surname-missing = Indiquez votre nom.
activation-given-name-missing = Indiquez votre prénom.
activation-mobile-wrong = Indiquez un numéro de téléphone portable complet, par exemple 06 39 98 00 01.
activation-mobile-landline = Ce numéro ne peut pas recevoir de SMS. Indiquez un numéro de téléphone portable.
activation-send-code = Recevoir un code par SMS
activation-have-account = J’ai déjà un identifiant et un mot de passe

activation-code-title = Saisir le code reçu
activation-code-lead = Si ces informations sont celles que connaît l’établissement, un SMS vient de partir vers le numéro qui finit par { $ending }.
activation-code-validity = { $minutes ->
    [one] Le code qu’il contient est valable une minute.
   *[other] Le code qu’il contient est valable { $minutes } minutes.
}
activation-code = Code
activation-code-hint = Six chiffres.
activation-code-submit = Continuer
activation-code-none = Vous n’avez rien reçu ?
activation-code-none-text = Attendez une minute. Vérifiez que le nom, le prénom et le numéro sont ceux que l’établissement connaît : lui seul peut les corriger. Le nombre de SMS par jour est limité.
activation-code-resend = Renvoyer un code
activation-code-resent = Un nouveau code est en route, s’il peut l’être. Le précédent ne sert plus.
activation-code-not-resent = Un code vient déjà d’être demandé, ou il n’en reste plus. Attendez une minute ou recommencez depuis le début.
activation-code-correct = Corriger mes informations
activation-code-shape = Le code compte six chiffres. Recopiez celui du dernier SMS.
activation-code-wrong = Ce code n’est pas le bon. Recopiez celui du dernier SMS.
activation-code-expired = Ce code n’est plus valable. Demandez-en un autre.
activation-code-replaced = Ce code a déjà servi ou a été remplacé. Demandez-en un autre.
activation-code-exhausted = Trop de codes erronés. Recommencez depuis le début.
activation-code-start-again = Recommencer
activation-code-start-again-text = Toutes les tentatives ont été utilisées. Pour votre sécurité, il faut demander un nouveau code depuis le début.

activation-children-title = Confirmer mes enfants
activation-children-lead = Donnez la date de naissance de chaque enfant. Si l’un d’eux n’est pas le vôtre, signalez-le : vous pourrez continuer pour les autres.
activation-children-none = Aucun enfant ne peut être rattaché à ce compte pour l’instant. Adressez-vous à l’établissement pour qu’il vérifie votre dossier.
activation-children-later = Répondre plus tard
activation-children-onward = Continuer
activation-birth-date = { $name } : date de naissance
activation-birth-date-shape = Donnez le jour, le mois et l’année en chiffres, par exemple 3 9 2014.
activation-birth-date-wrong = Cette date n’est pas celle du dossier de l’établissement. Vérifiez-la.
activation-child-confirm = Confirmer { $name }
activation-child-report = { $name } n’est pas mon enfant
activation-child-confirmed = Confirmé
activation-child-reported = Signalé : cet enfant n’est pas le vôtre. L’établissement verra ce signalement.
activation-child-mistaken = Signalé par erreur ? Donnez la date de naissance de l’enfant.
activation-child-after-all = Finalement, { $name } est mon enfant

activation-password-title = Choisir un mot de passe
activation-password-change-lead = Votre mot de passe est provisoire. Remplacez-le par un mot de passe que vous êtes seul à connaître.
activation-password-login = Votre identifiant est
activation-password-login-keep = Notez-le : il vous servira à chaque connexion.
activation-password = Nouveau mot de passe
activation-password-hint = Au moins { $number } caractères. Une phrase de quatre ou cinq mots sans lien entre eux convient très bien. Évitez votre nom, votre identifiant et les mots de l’école.
activation-password-again = Le même, encore une fois
activation-password-submit = Enregistrer et me connecter

password-too-short = Ce mot de passe est trop court : il faut au moins { $number } caractères. Ajoutez un ou deux mots.
password-too-long = Ce mot de passe est trop long : { $number } caractères au plus.
password-common = Ce mot de passe est trop courant : il figure parmi les premiers que les fraudeurs essaient. Composez une phrase de plusieurs mots.
password-own-name = Ce mot de passe tient presque tout dans votre nom ou votre identifiant. Ajoutez des mots que personne ne peut deviner.
password-words-of-the-place = Ce mot de passe se devine facilement : ce sont surtout des mots de l’école ou de ce service. Ajoutez-en d’autres.
password-pattern = Ce mot de passe est une suite de touches, une répétition ou une date, faciles à deviner. Composez une phrase de plusieurs mots.
password-guessable = Ce mot de passe se devine trop vite. Ajoutez un ou deux mots sans lien avec les autres.
password-mismatch = Les deux saisies diffèrent. Tapez deux fois le même mot de passe.

error-flow-expired-title = Démarche à recommencer
error-flow-expired-text = Cette démarche a expiré, est terminée ou a été commencée dans un autre navigateur. Revenez à l’accueil et recommencez.
error-birth-dates-exhausted-title = Trop de dates erronées
error-birth-dates-exhausted-text = Pour protéger les enfants, cette démarche s’arrête là. Vérifiez les dates auprès de l’établissement, puis recommencez demain.
